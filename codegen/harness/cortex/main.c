/* Replays inputs on an emulated Cortex-M4 by semihosting: reads `input.bin`, NET_INPUT_COUNT
   bytes an input, writes all outputs to `output.bin`, and eight 32-bit numbers to `report.bin`:
   inputs, bytes of stack, ticks of all runs (low, high), of the quickest, of the slowest, of the
   control, instructions of the control. Ticks are of the board's 25 MHz timer; under
   `qemu -icount shift=6` an instruction takes 64 ns, so ticks * 40 / 64 counts instructions. */
#include <stdint.h>

#include "net.h"

enum { OPEN = 0x01, CLOSE = 0x02, WRITE = 0x05, READ = 0x06, EXIT = 0x18 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

uint32_t stack_high_water(void);
void finish(int status);

static int semihosting(int operation, const void *arguments)
{
    register int number __asm__("r0") = operation;
    register const void *block __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(number) : "r"(block) : "memory");
    return number;
}

void finish(int status)
{
    /* SYS_EXIT of a 32-bit target takes a reason only: a normal end, or an error. */
    const uintptr_t reason = status == 0 ? 0x20026u : 0x20024u;
    semihosting(EXIT, (const void *)reason);
}

static int open(const char *name, uintptr_t length, int mode)
{
    const uintptr_t arguments[3] = {(uintptr_t)name, (uintptr_t)mode, length};
    return semihosting(OPEN, arguments);
}

/* Bytes that were not read or not written. */
static int transfer(int operation, int file, const void *bytes, uintptr_t count)
{
    const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)bytes, count};
    return semihosting(operation, arguments);
}

static void close(int file)
{
    const uintptr_t arguments[1] = {(uintptr_t)file};
    semihosting(CLOSE, arguments);
}

/* Timer 0 of the board counts down at 25 MHz. */
#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)

#define CONTROL_INSTRUCTIONS 1000u

/* Ticks that a known number of instructions takes, so that a count can be believed. */
static uint32_t control(void)
{
    const uint32_t before = TIMER_VALUE;
    __asm__ volatile(".rept 1000\n\tnop\n\t.endr");
    return before - TIMER_VALUE;
}

int main(void)
{
    const int input = open("input.bin", 9, READ_BINARY);
    const int output = open("output.bin", 10, WRITE_BINARY);
    if (input < 0 || output < 0) {
        return 2;
    }
    TIMER_RELOAD = 0xffffffffu;
    TIMER_VALUE = 0xffffffffu;
    TIMER_CONTROL = 1;
    const uint32_t known = control();
    uint64_t all = 0;
    uint32_t inputs = 0, least = UINT32_MAX, most = 0;
    while (transfer(READ, input, net_input(), NET_INPUT_COUNT) == 0) {
        const uint32_t before = TIMER_VALUE;
        const net_output *made = net_run();
        const uint32_t ticks = before - TIMER_VALUE;
        if (transfer(WRITE, output, made, NET_OUTPUT_COUNT * sizeof *made) != 0) {
            return 3;
        }
        all += ticks;
        least = ticks < least ? ticks : least;
        most = ticks > most ? ticks : most;
        inputs++;
    }
    close(output);
    const uint32_t report[8] = {
        inputs, stack_high_water(), (uint32_t)all, (uint32_t)(all >> 32), least, most, known,
        CONTROL_INSTRUCTIONS,
    };
    const int file = open("report.bin", 10, WRITE_BINARY);
    if (file < 0 || transfer(WRITE, file, report, sizeof report) != 0) {
        return 4;
    }
    close(file);
    return 0;
}
