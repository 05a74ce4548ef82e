//! Products of matrices, by the kernels that candle uses as well.
#![expect(unsafe_code, reason = "gemm takes pointers and strides")]

use gemm::Parallelism;

/// Products with fewer multiplications than this are not worth waking a second thread.
const ALONE: usize = 1 << 19;

/// A matrix somewhere in a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// `rows` of `columns` numbers, one row after the other.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(values.len() >= rows * columns, "a view beyond its slice");
        Self {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) const fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// Whether a product may use all threads of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The caller is itself one of several tasks.
    One,
    /// As many as the current pool has.
    All,
}

/// `out = left · right`, or `out += left · right`; `out` is row-major.
pub(crate) fn multiply(
    out: &mut [f32],
    left: View<'_>,
    right: View<'_>,
    accumulate: bool,
    threads: Threads,
) {
    assert_eq!(left.columns, right.rows, "matrices that don't fit");
    let (m, k, n) = (left.rows, left.columns, right.columns);
    assert!(out.len() >= m * n, "a product beyond its slice");
    let count = rayon::current_num_threads();
    let parallelism = if threads == Threads::One || count == 1 || m * k * n < ALONE {
        Parallelism::None
    } else {
        Parallelism::Rayon(count)
    };
    let stride = |size: usize| size as isize;
    // SAFETY: `View::new` and the assertions above hold every index i·row + j·column inside its
    // slice, and `out` is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride(n),
            accumulate,
            left.values.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.values.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_transposed_views_is_right() {
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let right = [1.0, -1.0, 2.0, 0.5, 0.0, 3.0];
        let mut out = [0.0; 9];
        let (l, r) = (View::new(&left, 2, 3).transposed(), View::new(&right, 2, 3));
        multiply(&mut out, l, r, false, Threads::All);
        assert_eq!(out, [3.0, -1.0, 14.0, 4.5, -2.0, 19.0, 6.0, -3.0, 24.0]);
        multiply(&mut out, l, r, true, Threads::One);
        assert_eq!(out[0], 6.0);
    }
}
