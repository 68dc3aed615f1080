# cmake -D NM=… -D PROGRAM=… -P no_durable_run.cmake: a program without a store has nothing of durable runs in it.
execute_process(COMMAND ${NM} -C ${PROGRAM} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
if(NOT symbols MATCHES "aethergraph::detail::loop::drain")
  message(FATAL_ERROR "${PROGRAM} has no symbols to look at")
endif()
if(symbols MATCHES "vtable for aethergraph::detail::durable_run")
  message(FATAL_ERROR "${PROGRAM} has no store, but links durable_run; what the core calls of it has to be virtual")
endif()
