// Durable runs: what a program that gives its runs a store includes, with the header of the store itself.
#pragma once

#include "aethergraph/codec.hpp"
#include "aethergraph/deliver.hpp"
#include "aethergraph/divergence_error.hpp"
#include "aethergraph/memory_store.hpp"
#include "aethergraph/recorded_error.hpp"
#include "aethergraph/recorded_graph.hpp"
#include "aethergraph/recover.hpp"
#include "aethergraph/rerun.hpp"
#include "aethergraph/run_parked.hpp"
#include "aethergraph/run_store.hpp"
#include "aethergraph/wait_event.hpp"
