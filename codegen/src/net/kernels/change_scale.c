/* The same numbers in other steps, within bounds. */
static void change_scale(const struct change *layer, const int8_t *input, int8_t *output)
{
    for (int place = 0; place < layer->count; place++) {
        const int32_t level =
            rescale(input[place] - layer->in_zero, layer->multiplier, layer->shift);
        output[place] = bounded(level + layer->out_zero, layer->low, layer->high);
    }
}

