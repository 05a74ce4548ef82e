/* A linear layer whose outputs stay 32 bits wide. */
static void linear(const struct convolution *layer, const int8_t *input, int32_t *output)
{
    const int inputs = layer->window.in_channels;
    for (int row = 0; row < layer->window.out_channels; row++) {
        const int8_t *weights = layer->weights + row * inputs;
        const int32_t sum = dot(input, weights, inputs, layer->biases[row]);
        output[row] = rescale(sum, layer->multipliers[row], layer->shift);
    }
}

