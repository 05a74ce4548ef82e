/* Runs a firmware of firmware.c on an emulated ATmega328P over rows from a file.
 *
 * simulate ELF ROWS ANSWERS COLUMNS FEATURES LABEL SCORES SCORE_BYTES HEAP CYCLES
 *
 * FEATURES, LABEL, SCORES and HEAP (the first byte behind the variables) are addresses in the
 * data memory. ANSWERS receives for each row the label (2 bytes) and the scores as they lie,
 * CYCLES the cycles of each (4 bytes).
 * Prints one line of JSON: rows, cycles (mean, least, most), bytes of stack. */
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK = 0x3e, PAINT = 0xa5, CYCLES_AT_MOST = 160000000 };

struct run {
    uint64_t started, cycles, sum, least, most;
    uint32_t rows;
    int painted, answered;
};

static struct run run;
static uint32_t heap, features, columns;
static uint8_t *row;

static void marked(struct avr_t *avr, avr_io_addr_t address, uint8_t value, void *parameter)
{
    (void)parameter;
    avr->data[address] = value;
    if (value == 1) {
        /* Not before: the start-up code clears the variables. */
        memcpy(avr->data + features, row, columns);
        if (!run.painted) {
            const uint32_t stack = avr->data[R_SPL] | (uint32_t)avr->data[R_SPH] << 8;
            memset(avr->data + heap, PAINT, stack > heap ? stack - heap : 0);
            run.painted = 1;
        }
        run.started = avr->cycle;
    } else if (value == 2) {
        const uint64_t cycles = avr->cycle - run.started;
        run.cycles = cycles;
        run.sum += cycles;
        run.least = run.rows == 0 || cycles < run.least ? cycles : run.least;
        run.most = cycles > run.most ? cycles : run.most;
        run.rows++;
        run.answered = 1;
    }
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

static int fail(const char *text)
{
    fprintf(stderr, "simulate: %s\n", text);
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 11) {
        return fail("ELF ROWS ANSWERS COLUMNS FEATURES LABEL SCORES SCORE_BYTES HEAP CYCLES");
    }
    columns = number(arguments[4]);
    features = number(arguments[5]);
    const uint32_t label = number(arguments[6]), scores = number(arguments[7]);
    const uint32_t score_bytes = number(arguments[8]);
    heap = number(arguments[9]);
    elf_firmware_t firmware;
    memset(&firmware, 0, sizeof firmware);
    if (elf_read_firmware(arguments[1], &firmware) != 0) {
        return fail("the firmware can't be read");
    }
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    FILE *rows = fopen(arguments[2], "rb"), *answers = fopen(arguments[3], "wb");
    FILE *cycles = fopen(arguments[10], "wb");
    if (avr == NULL || rows == NULL || answers == NULL || cycles == NULL) {
        return fail("no emulator, rows, answers or cycles");
    }
    avr_init(avr);
    avr->frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    if (features + columns > avr->ramend || scores + score_bytes > avr->ramend) {
        return fail("the variables don't fit the memory");
    }
    avr_register_io_write(avr, MARK, marked, NULL);
    row = malloc(columns);
    while (row != NULL && fread(row, 1, columns, rows) == columns) {
        run.answered = 0;
        const uint64_t end = avr->cycle + CYCLES_AT_MOST;
        while (!run.answered) {
            const int state = avr_run(avr);
            if (state == cpu_Done || state == cpu_Crashed || avr->cycle > end) {
                return fail("the firmware stopped, crashed or took ten seconds for a row");
            }
        }
        fwrite(avr->data + label, 1, 2, answers);
        fwrite(avr->data + scores, 1, score_bytes, answers);
        const uint32_t taken = (uint32_t)run.cycles;
        fwrite(&taken, sizeof taken, 1, cycles);
    }
    if (run.rows == 0 || fclose(answers) != 0 || fclose(cycles) != 0) {
        return fail("no rows, or the answers or cycles can't be written");
    }
    uint32_t lowest = heap;
    while (lowest < avr->ramend && avr->data[lowest] == PAINT) {
        lowest++;
    }
    printf("{\"rows\": %u, \"mean\": %.1f, \"least\": %llu, \"most\": %llu, \"stack\": %u}\n",
           run.rows, (double)run.sum / run.rows, (unsigned long long)run.least,
           (unsigned long long)run.most, avr->ramend + 1 - lowest);
    return 0;
}
