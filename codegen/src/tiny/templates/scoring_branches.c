
static void add(int32_t *scores, @number@ leaf)
{
    const int8_t *score = &leaves[leaf * @classes@UL];
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] += SIGNED(score);
        score++;
    }
}

uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] = 0;
    }
@calls@
    return best(scores);
}
