#pragma once

#include <cstdint>
#include <string>

namespace ramfs {

// Makes the log's directory, mode 0700, if it is missing. Returns it. Throws std::runtime_error
// with one line when it cannot be made or not be written.
std::string prepare_log_directory(const std::string& directory);

// For people: the log was written by a later release.
std::string newer_format(const std::string& directory, uint64_t version);

}  // namespace ramfs
