# cmake -D PROGRAM=… -D EXPECTED=… -P expect_output.cmake: runs a program; its standard output must be exactly that file.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
file(READ ${EXPECTED} expected)
if(NOT status STREQUAL "0")
  message(FATAL_ERROR "${PROGRAM} ended with status ${status}\n${errors}")
endif()
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} does not print ${EXPECTED}\n--- expected\n${expected}--- printed\n${output}---")
endif()
