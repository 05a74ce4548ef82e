
static uint32_t squares(uint8_t channel, const struct spread *spread)
{
    uint32_t sum = 0;
    uint16_t place = first(channel);
    for (uint16_t left = @length@; left != 0; left--) {
        const int16_t number = SPREAD(spread, ring[place]);
        sum += ((uint32_t)((int32_t)number * number) + @half@UL) >> @shift@;
        place = NEXT(place);
    }
    return sum;
}
