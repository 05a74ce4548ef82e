/* What of a kernel lies inside the input along one axis: cells first .. end. */
struct span {
    int first, end;
};

static struct span inside(int start, int kernel, int dilation, int size)
{
    struct span span = {0, kernel};
    while (span.first < kernel && start + span.first * dilation < 0) {
        span.first++;
    }
    while (span.end > span.first && start + (span.end - 1) * dilation >= size) {
        span.end--;
    }
    return span;
}

/* Adds what `many` channels see at one pixel to `sums`; the window's corner is at `corner`. */
static void depthwise_pixel(const struct convolution *layer, const int8_t *input, int corner,
                            const int8_t *weights, struct span rows, struct span columns, int many,
                            int32_t sums[4])
{
    const struct window *window = &layer->window;
    const int channels = window->in_channels;
    const int step = window->dilation_x * channels;
#if defined(NOROSHI_DSP)
    const int16x2_t zero = (int16x2_t)((uint32_t)(uint16_t)layer->in_zero * 0x10001u);
    int32_t sum_0 = sums[0], sum_1 = sums[1], sum_2 = sums[2], sum_3 = sums[3];
#endif
    for (int kernel_y = rows.first; kernel_y < rows.end; kernel_y++) {
        const int line = kernel_y * window->dilation_y * window->in_width * channels;
        const int8_t *level = input + (corner + line + columns.first * step);
        const int8_t *weight = weights + (kernel_y * window->kernel_width + columns.first) * channels;
        for (int cells = columns.end - columns.first; cells > 0; cells--) {
#if defined(NOROSHI_DSP)
            if (many == 4) {
                const uint32_t word = four_bytes(level), factor = four_bytes(weight);
                const int16x2_t even = __ssub16(even_bytes(word), zero);
                const int16x2_t odd = __ssub16(odd_bytes(word), zero);
                const int16x2_t even_factor = even_bytes(factor), odd_factor = odd_bytes(factor);
                sum_0 += (int16_t)even * (int16_t)even_factor;
                sum_1 += (int16_t)odd * (int16_t)odd_factor;
                sum_2 += (even >> 16) * (even_factor >> 16);
                sum_3 += (odd >> 16) * (odd_factor >> 16);
                level += step;
                weight += channels;
                continue;
            }
#endif
            for (int place = 0; place < many; place++) {
                sums[place] += (level[place] - layer->in_zero) * weight[place];
            }
            level += step;
            weight += channels;
        }
    }
#if defined(NOROSHI_DSP)
    if (many == 4) {
        sums[0] = sum_0;
        sums[1] = sum_1;
        sums[2] = sum_2;
        sums[3] = sum_3;
    }
#endif
}

/* A convolution of each channel on its own. Weights lie cell by cell, all channels together. */
static void depthwise(const struct convolution *layer, const int8_t *input, int8_t *output)
{
    const struct window *window = &layer->window;
    const int channels = window->in_channels;
    for (int out_y = 0; out_y < window->out_height; out_y++) {
        const int top = out_y * window->stride_y - window->pad_top;
        const struct span rows =
            inside(top, window->kernel_height, window->dilation_y, window->in_height);
        for (int out_x = 0; out_x < window->out_width; out_x++) {
            const int left = out_x * window->stride_x - window->pad_left;
            const struct span columns =
                inside(left, window->kernel_width, window->dilation_x, window->in_width);
            const int corner = (top * window->in_width + left) * channels;
            for (int channel = 0; channel < channels;) {
                const int many = channels - channel < 4 ? channels - channel : 4;
                int32_t sums[4] = {0, 0, 0, 0};
                for (int place = 0; place < many; place++) {
                    sums[place] = layer->biases[channel + place];
                }
                depthwise_pixel(layer, input, corner + channel, layer->weights + channel, rows,
                                columns, many, sums);
                for (int place = 0; place < many; place++, channel++) {
                    const int32_t level =
                        rescale(sums[place], layer->multipliers[channel], layer->shift);
                    *output++ = bounded(level + layer->out_zero, layer->low, layer->high);
                }
            }
        }
    }
}

