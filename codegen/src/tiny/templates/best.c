
static uint16_t best(const @score@ *scores)
{
    uint16_t best = 0;
    for (uint16_t class = 1; class < @classes@; class++) {
        if (scores[class] > scores[best]) {
            best = class;
        }
    }
    return best;
}
