#include "cli.h"

int main(int argc, char** argv) {
  return ramfs::ctl::run(argc, argv);
}
