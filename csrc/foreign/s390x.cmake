# Big-endian, 64 bits. Debian: gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(CMAKE_C_COMPILER s390x-linux-gnu-gcc)
set(CMAKE_C_FLAGS_INIT -Wno-maybe-uninitialized) # at -O3 GCC 12 loses sight of the code that says whether it was set
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-s390x-static)
