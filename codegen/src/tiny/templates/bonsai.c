
static int16_t within(int32_t value)
{
    return (int16_t)(value > 127 ? 127 : value < -127 ? -127 : value);
}

static int32_t product(const int8_t *weights, const int8_t *projected)
{
    int32_t sum = 0;
    for (uint8_t dimension = 0; dimension < @dimensions@; dimension++) {
        sum += (int16_t)((int16_t)SIGNED(weights) * (int16_t)projected[dimension]);
        weights++;
    }
    return sum;
}

uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
    int8_t projected[@dimensions@];
    const uint8_t *entry = packed;
    for (uint8_t dimension = 0; dimension < @dimensions@; dimension++) {
        const uint8_t *value = row;
        int32_t sum = LONG(&bias[dimension]);
        for (@count@ left = @COUNT@(&counts[dimension]); left != 0; left--) {
            uint8_t step = BYTE(entry++);
            while (step == 255) {
                value += 255;
                step = BYTE(entry++);
            }
            value += step;
            sum += (int16_t)((int16_t)(int8_t)BYTE(entry++) * (int16_t)*value);
        }
        sum = (sum * (int32_t)WORD(&multipliers[dimension])) >> @shift@;
        projected[dimension] = (int8_t)within(sum);
    }
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] = 0;
    }
    uint16_t node = 0;
    for (uint8_t level = 0;; level++) {
        for (uint16_t output = 0; output < @outputs@; output++) {
            const uint16_t at = (uint16_t)((node * @outputs@U + output) * @dimensions@U);
            const int32_t sum = product(&gates[at], projected);
            const int16_t gate = within((sum * @gate@L) >> @gate_shift@);
            int16_t open = (int16_t)BYTE(&tangents[gate < 0 ? -gate : gate]);
            if (gate < 0) {
                open = (int16_t)-open;
            }
            scores[output] += product(&weights[at], projected) * open;
        }
        if (level == @depth@) {
            break;
        }
@branch@    }
@finish@
    return best(scores);
}
