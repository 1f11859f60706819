// What a statically linked program has no use for: looking names up (NSS). libdbus and libnl can, for what we do not
// ask them: peers over TCP, a user's home directory, protocols by name. The C library's own functions would load shared
// objects, of precisely its version, into the static executable, and bring 140 KiB to do so.
#include <grp.h>
#include <netdb.h>
#include <pwd.h>

#include <cerrno>

extern "C" {

int getaddrinfo(const char* /*node*/, const char* /*service*/, const addrinfo* /*hints*/, addrinfo** /*result*/) {
  return EAI_FAIL;
}

void freeaddrinfo(addrinfo* /*result*/) {}

int getnameinfo(const sockaddr* /*address*/, socklen_t /*length*/, char* /*host*/, socklen_t /*host_size*/,
                char* /*service*/, socklen_t /*service_size*/, int /*flags*/) {
  return EAI_FAIL;
}

int getpwnam_r(const char* /*name*/, passwd* /*user*/, char* /*text*/, size_t /*size*/, passwd** result) {
  *result = nullptr;
  return ENOENT;
}

int getpwuid_r(uid_t /*uid*/, passwd* /*user*/, char* /*text*/, size_t /*size*/, passwd** result) {
  *result = nullptr;
  return ENOENT;
}

int getgrouplist(const char* /*user*/, gid_t /*group*/, gid_t* /*groups*/, int* count) {
  *count = 0;
  return 0;
}

protoent* getprotobyname(const char* /*name*/) {
  return nullptr;
}

protoent* getprotobynumber(int /*number*/) {
  return nullptr;
}

}  // extern "C"
