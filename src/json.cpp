// Boost.JSON, compiled here from its headers: no library but this one has to be linked for it.
#include <boost/json/src.hpp>
