
uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
@base@
@calls@
@finish@    return best(scores);
}
