
static int16_t crossings(uint8_t channel, int16_t level)
{
    uint16_t place = first(channel);
    uint8_t above = ring[place] > level;
    int16_t count = 0;
    for (uint16_t left = @length@; left != 0; left--) {
        const uint8_t now = ring[place] > level;
        count = (int16_t)(count + (now != above));
        above = now;
        place = NEXT(place);
    }
    return count;
}
