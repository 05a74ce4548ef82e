/* The sum of two values of different steps. 32 bits are enough: see the ranges of the factors. */
static void add(const struct sum *layer, const int8_t *left, const int8_t *right, int8_t *output)
{
    for (int place = 0; place < layer->count; place++) {
        const int32_t scaled = (left[place] - layer->left_zero) * layer->left_multiplier
                               + (right[place] - layer->right_zero) * layer->right_multiplier;
        const int32_t level = rescale(scaled, 1, layer->shift);
        output[place] = bounded(level + layer->out_zero, layer->low, layer->high);
    }
}

