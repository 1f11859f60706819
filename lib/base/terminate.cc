// What std::terminate calls unless it is told otherwise. The C++ library's own names the exception's type, and brings a
// demangler of 50 KiB into each static executable; every main of ours catches what is thrown, and says more.

#include <cstdlib>
#include <exception>

namespace __cxxabiv1 {

// NOLINTNEXTLINE(bugprone-reserved-identifier): the library's name (libstdc++, eh_term_handler.cc).
extern std::terminate_handler __terminate_handler;
std::terminate_handler __terminate_handler = std::abort;

}  // namespace __cxxabiv1
