//! The trainer from outside: against candle's plain graph, and against ONNX Runtime.

mod binarize;
mod candle_epoch;
mod candle_graph;
mod channels;
mod epoch;
mod export;
mod finetune;
mod pack;
mod read;
mod repeat;
mod shrink;
