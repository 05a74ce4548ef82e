/* Written by noroshi: @what@. @intake@ */
#ifndef @NAME@_H
#define @NAME@_H

#include <stdint.h>

#define @NAME@_COLUMNS @columns@
#define @NAME@_CLASSES @classes@

/* The class of a row, the first of the highest scores; `scores` takes one for each class. */
uint16_t @name@_answer(const uint8_t row[@NAME@_COLUMNS], @score@ scores[@NAME@_CLASSES]);
@more@
#endif
