// Only its precompiled headers are used (tests/CMakeLists.txt).
int main() {}
