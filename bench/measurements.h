#pragma once

#include "bench/options.h"
#include "bench/results.h"

/// What is measured, a file for each group. Each interleaves its contenders (A B A B …): a machine that is busy for a
/// while is so for all of them.
namespace berth::bench {

/// ADD, CHECK and DEL of chains of plugins on each firewall backend.
void measure_plugins(const Options& options, Results& results);
/// ADD and DEL as a function of what already exists (attachments with published ports, leases), and what it costs to
/// connect through the last published port.
void measure_growth(const Options& options, Results& results);
/// ADDs per second with several at the same time, also beside a writer of other rules.
void measure_throughput(const Options& options, Results& results);
/// The runtime's commands.
void measure_runtime(const Options& options, Results& results);
/// From `run` with a published port to the first HTTP answer.
void measure_first_answer(const Options& options, Results& results);
/// What the processors do during an ADD and a `run`: the time in each part of the kernel, and outside of it.
void measure_profile(const Options& options, Results& results);
/// Bytes on disk, and what starting each executable costs.
void measure_size(const Options& options, Results& results);

}  // namespace berth::bench
