
uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
    @vote@ votes[@classes@] = {0};
@calls@
    uint16_t best = 0;
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] = votes[class];
        if (votes[class] > votes[best]) {
            best = class;
        }
    }
    return best;
}
