
#define @NAME@_CHANNELS @channels@
#define @NAME@_LENGTH @length@
#define @NAME@_HOP @hop@
/* No window was whole. */
#define @NAME@_NONE 0xffffU

/* Takes a sample of the stream; the answer if a window is whole with it, else @NAME@_NONE and
 * `scores` as they were. One stream a program: its window lies in static memory. */
uint16_t @name@_push(const int16_t sample[@NAME@_CHANNELS], @score@ scores[@NAME@_CLASSES]);
/* Begins anew, as after a gap in the samples. */
void @name@_restart(void);
