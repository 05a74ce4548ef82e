/* The same for two rows of weights at once: what is seen is read once. */
static void dot_pair(const int8_t *seen, const int8_t *weights, int count, int32_t sums[2])
{
    const int8_t *other = weights + count;
    int32_t first = sums[0], second = sums[1];
#if defined(NOROSHI_DSP)
    for (; count >= 4; count -= 4, seen += 4, weights += 4, other += 4) {
        const uint32_t word = four_bytes(seen);
        const int16x2_t even = even_bytes(word), odd = odd_bytes(word);
        const uint32_t one = four_bytes(weights), two = four_bytes(other);
        first = __smlad(even, even_bytes(one), first);
        second = __smlad(even, even_bytes(two), second);
        first = __smlad(odd, odd_bytes(one), first);
        second = __smlad(odd, odd_bytes(two), second);
    }
#endif
    for (; count > 0; count--) {
        const int32_t level = *seen++;
        first += level * *weights++;
        second += level * *other++;
    }
    sums[0] = first;
    sums[1] = second;
}

/* Copies what one output sees of `depth` channels into `patch`; the border is zero points. */
static void gather(const struct convolution *layer, const int8_t *input, int top, int left,
                   int depth, int8_t *patch)
{
    const struct window *window = &layer->window;
    const int channels = window->in_channels;
    const int row = window->kernel_width * depth;
    const int right = left + window->kernel_width;
    const int is_run = depth == channels && window->dilation_x == 1 && left >= 0
                       && right <= window->in_width;
    for (int kernel_y = 0; kernel_y < window->kernel_height; kernel_y++) {
        const int y = top + kernel_y * window->dilation_y;
        if (y < 0 || y >= window->in_height) {
            memset(patch, layer->in_zero, (size_t)row);
            patch += row;
            continue;
        }
        const int8_t *line = input + y * window->in_width * channels;
        if (is_run) {
            memcpy(patch, line + left * channels, (size_t)row);
            patch += row;
            continue;
        }
        for (int kernel_x = 0; kernel_x < window->kernel_width; kernel_x++) {
            const int x = left + kernel_x * window->dilation_x;
            if (x < 0 || x >= window->in_width) {
                memset(patch, layer->in_zero, (size_t)depth);
            } else {
                memcpy(patch, line + x * channels, (size_t)depth);
            }
            patch += depth;
        }
    }
}

/* A convolution, pixel by pixel. Without a patch a pixel's input is read where it lies: that is
   for kernels of one cell without a border, and for linear layers. The zero point of the input
   is in the biases already. */
static void convolve(const struct convolution *layer, const int8_t *input, int8_t *output,
                     int8_t *patch)
{
    const struct window *window = &layer->window;
    const int depth = window->in_channels / layer->groups;
    const int outputs = window->out_channels / layer->groups;
    const int cells = window->kernel_height * window->kernel_width * depth;
    for (int out_y = 0; out_y < window->out_height; out_y++) {
        const int top = out_y * window->stride_y - window->pad_top;
        for (int out_x = 0; out_x < window->out_width; out_x++) {
            const int left = out_x * window->stride_x - window->pad_left;
            const int8_t *weights = layer->weights;
            int channel = 0;
            for (int group = 0; group < layer->groups; group++) {
                const int8_t *seen = patch;
                if (patch != NULL) {
                    gather(layer, input + group * depth, top, left, depth, patch);
                } else {
                    seen = input + (top * window->in_width + left) * window->in_channels;
                }
                const int end = channel + outputs;
                while (channel < end) {
                    const int many = channel + 1 < end ? 2 : 1;
                    int32_t sums[2] = {layer->biases[channel], 0};
                    if (many == 2) {
                        sums[1] = layer->biases[channel + 1];
                        dot_pair(seen, weights, cells, sums);
                    } else {
                        sums[0] = dot(seen, weights, cells, sums[0]);
                    }
                    for (int place = 0; place < many; place++, channel++) {
                        const int32_t level =
                            rescale(sums[place], layer->multipliers[channel], layer->shift);
                        *output++ = bounded(level + layer->out_zero, layer->low, layer->high);
                    }
                    weights += many * cells;
                }
            }
        }
    }
}

