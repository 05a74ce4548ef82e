
static void extract(void)
{
@extract@}

void @name@_restart(void)
{
    oldest = 0;
    wanted = @length@;
}

uint16_t @name@_push(const int16_t sample[@channels@], @score@ scores[@classes@])
{
    for (uint8_t channel = 0; channel < @channels@; channel++) {
        ring[oldest + channel] = sample[channel];
    }
    oldest = NEXT(oldest);
    if (--wanted != 0) {
        return @NAME@_NONE;
    }
    wanted = @hop@;
    extract();
    return @name@_answer(row, scores);
}
