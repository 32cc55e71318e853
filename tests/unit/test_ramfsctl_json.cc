#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "../../src/ramfsctl/json.h"

namespace ramfs::ctl {
namespace {

TEST(Json, IntegersKeepAllTheirDigits) {
  EXPECT_EQ(Json(UINT64_MAX).text(), "18446744073709551615");
  EXPECT_EQ(Json(INT64_MIN).text(), "-9223372036854775808");
  EXPECT_EQ(Json(0).text(), "0");
}

TEST(Json, RealNumbersAreNumbersOrNull) {
  EXPECT_EQ(Json(0.25).text(), "0.25");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).text(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()).text(), "null");
}

TEST(Json, ObjectsKeepTheOrderOfTheirKeys) {
  Json json = Json::object().set("b", 1).set("a", Json::array().add(true).add("x").add(nullptr));
  EXPECT_EQ(json.text(), "{\n  \"b\": 1,\n  \"a\": [\n    true,\n    \"x\",\n    null\n  ]\n}");
  EXPECT_EQ(Json::object().text(), "{}");
  EXPECT_EQ(Json::array().text(), "[]");
}

TEST(Json, TextIsEscaped) {
  EXPECT_EQ(Json("a\"b\\c\n\t\x01").text(), R"("a\"b\\c\n\t\u0001")");
  EXPECT_EQ(Json("grün €").text(), "\"grün €\"");
}

TEST(Json, BytesThatAreNoUtf8BecomeSurrogates) {
  EXPECT_EQ(Json("a\xff").text(), R"("a\udcff")");
  EXPECT_EQ(Json("\xc3").text(), R"("\udcc3")");                      // cut short
  EXPECT_EQ(Json("\xc0\xaf").text(), R"("\udcc0\udcaf")");            // overlong
  EXPECT_EQ(Json("\xed\xa0\x80").text(), R"("\udced\udca0\udc80")");  // a surrogate itself
}

}  // namespace
}  // namespace ramfs::ctl
