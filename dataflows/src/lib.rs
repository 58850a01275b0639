//! Keeps everything current as plays and corrections arrive: timely + differential-dataflow.
