
uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
    @index@ node_base = 0;
    uint32_t leaf_base = 0;
@start@
    for (uint16_t tree = 0; tree < @trees@; tree++) {
        const uint16_t inner = WORD(&inner_nodes[tree]);
        uint16_t below = inner;
        @index@ node = node_base;
        uint32_t leaf = leaf_base;
        while (below != 0) {
            const uint16_t skip = @SKIP@(&skips[node]);
            if (row[@COLUMN@(&columns[node])] > BYTE(&thresholds[node])) {
                node += 1 + skip;
                leaf += 1 + skip;
                below -= 1 + skip;
            } else {
                node += 1;
                below = skip;
            }
        }
@leaf@
        node_base += inner;
        leaf_base += (uint32_t)inner + 1;
    }
@finish@    return best(scores);
}
