#define FLASH
#define BYTE(at) (*(at))
#define SIGNED(at) (*(at))
#define WORD(at) (*(at))
#define LONG(at) (*(at))
#define REAL(at) (*(at))
