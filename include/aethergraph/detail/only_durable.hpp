// What only durable runs need, and only programs with a store link.
#pragma once

/// Marks a function that is called for durable runs only. A call of it does not bring its object file into a program
/// that links the static library: whoever has a store does, by the destructor of `run_store` (see run_store.cpp).
#define AETHERGRAPH_ONLY_DURABLE [[gnu::weak]]

namespace aethergraph::detail {

/// One in each object file that has such functions, by which that of `run_store` brings them in.
extern const char part_of_durable_run;
extern const char part_of_recorded_call;
extern const char part_of_recorded_end;
extern const char part_of_recorded_wait;

}  // namespace aethergraph::detail
