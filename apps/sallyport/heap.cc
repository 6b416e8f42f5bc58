// How the server's allocator is set: jemalloc reads this before main() (jemalloc(3), TUNING). A role has a few threads,
// most of which do little; with arenas of their own each would leave half-filled slabs in its wake, and a role that ran
// for an hour would hold a megabyte more of holes. Without jemalloc nobody reads it.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:1";
}
