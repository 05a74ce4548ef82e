#include <avr/pgmspace.h>

#define FLASH PROGMEM
#define BYTE(at) pgm_read_byte(at)
#define SIGNED(at) ((int8_t)pgm_read_byte(at))
#define WORD(at) pgm_read_word(at)
#define LONG(at) ((int32_t)pgm_read_dword(at))
#define REAL(at) pgm_read_float(at)
