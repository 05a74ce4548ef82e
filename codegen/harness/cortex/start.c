/* Start of a bare Cortex-M4: paints the stack, fills memory, calls main. */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_end[];

int main(void);
void finish(int status);
uint32_t stack_high_water(void);

#define PAINT 0xa5c3e187u

/* How many bytes of the stack were ever written. */
uint32_t stack_high_water(void)
{
    const uint32_t *word = bss_end;
    while (word < stack_end && *word == PAINT) {
        word++;
    }
    return (uint32_t)((const char *)stack_end - (const char *)word);
}

__attribute__((noreturn)) void reset(void);
void reset(void)
{
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    /* A few words below this function's own frame. */
    uint32_t *end = (uint32_t *)__builtin_frame_address(0) - 16;
    for (volatile uint32_t *to = bss_end; to < end; to++) {
        *to = PAINT;
    }
    finish(main());
    for (;;) {
    }
}

/* A fault ends the run with a status that no answer has. */
static void fault(void)
{
    finish(99);
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_end, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
    (void *)fault,
};
