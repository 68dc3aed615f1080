// Forward declarations of the public names, and the few vocabulary types that every header needs.
#pragma once

#include <chrono>

namespace aethergraph {

/// The unit of every length of time in options.
using duration = std::chrono::nanoseconds;

class channel;
class circuit_breaker;
class context;
class logger;
class observer;
class rate_limit;
class resource_pool;
class run_store;
class semaphore;
class services;
class task_group;

template <class T>
class result;
template <class T = void>
class task;
template <class Signature, class F>
class call;
template <class T>
class node;
template <class Signature>
class graph;
template <class Signature>
class graph_invocation;
template <class F>
class graph_fn;
template <class Signature, class F>
class invocation;

namespace detail {
template <class A>
class operation;
template <class Awaited>
class entry;
template <class Signature, class F, class... Kept>
struct call_record;
}  // namespace detail

}  // namespace aethergraph
