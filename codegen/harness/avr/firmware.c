/* Answers whatever lies in `features`, again and again. The emulator's side puts rows there, and
 * counts the cycles between the two marks. */
#include <avr/io.h>
#include MODEL_HEADER

#define JOIN(a, b) a##b
#define NAMED(name, what) JOIN(name, what)
#define ANSWER NAMED(MODEL, _answer)
#ifndef SCORE
#define SCORE int32_t
#endif

volatile uint8_t features[COLUMNS];
volatile SCORE scores[CLASSES];
volatile uint16_t label;

int main(void)
{
    for (;;) {
        GPIOR0 = 1;
        label = ANSWER((const uint8_t *)features, (SCORE *)scores);
        GPIOR0 = 2;
    }
}
