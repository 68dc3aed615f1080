# Compiles one program and judges the outcome by the comments at its head:
#
#   // expect: <sentence>   it must not compile, and the errors must contain the sentence
#   // compiles             it must compile without a warning
#   // errors: <n>          how many errors the compiler may report; 1 when not said
#
# cmake -DCOMPILER=<path> -DFLAGS=<list> -DPROGRAM=<file> -P check.cmake
file(STRINGS ${PROGRAM} head LIMIT_COUNT 3)
set(sentence "")
set(errors_allowed 1)
set(must_compile FALSE)
foreach(line IN LISTS head)
  if(line MATCHES "^// expect: (.+)$")
    set(sentence "${CMAKE_MATCH_1}")
  elseif(line MATCHES "^// errors: ([0-9]+)$")
    set(errors_allowed ${CMAKE_MATCH_1})
  elseif(line MATCHES "^// compiles")
    set(must_compile TRUE)
  endif()
endforeach()
if(NOT must_compile AND sentence STREQUAL "")
  message(FATAL_ERROR "${PROGRAM} says neither '// expect: <sentence>' nor '// compiles'")
endif()

execute_process(
  COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${COMPILER} ${FLAGS} -fsyntax-only -Werror=unused-result ${PROGRAM}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)

if(must_compile)
  if(NOT result EQUAL 0 OR NOT output STREQUAL "")
    message(FATAL_ERROR "${PROGRAM} must compile without a word, but:\n${output}")
  endif()
  return()
endif()

if(result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} compiles, and must not; expected: ${sentence}")
endif()
string(FIND "${output}" "${sentence}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PROGRAM} fails without the expected sentence: ${sentence}\n${output}")
endif()
string(REGEX MATCHALL "error: " errors "${output}")
list(LENGTH errors count)
if(count GREATER errors_allowed)
  message(FATAL_ERROR "${PROGRAM} gives ${count} errors instead of ${errors_allowed}:\n${output}")
endif()
