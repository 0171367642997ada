import ProductMetadata
import Testing
import Wire

@Suite struct CFTimeTests {
    @Test(
        "units of time as CF writes them",
        arguments: [
            ("days since 1970-01-01", 1.5, "1970-01-02T12:00:00Z"),
            ("hours since 1900-01-01 00:00:00.0", 1_051_896, "2020-01-01T00:00:00Z"),
            ("seconds since 1981-01-01 00:00:00 UTC", 0, "1981-01-01T00:00:00Z"),
            ("minutes since 2000-1-1T00:30:00Z", -30, "2000-01-01T00:00:00Z"),
            ("milliseconds since 2020-02-29", 1500, "2020-02-29T00:00:01.500Z"),
            ("s since 2020-02-29 12", 1, "2020-02-29T12:00:01Z"),
        ])
    func units(_ unit: String, _ value: Double, _ expected: String) {
        #expect(CFTime(unit: unit, calendar: "proleptic_gregorian")?.moment(value)?.rfc3339 == expected)
    }

    @Test(
        "what has no fixed length or no civil calendar is not taken",
        arguments: [
            ("months since 1970-01-01", nil), ("years since 1970-01-01", nil), ("days since 1970-01-01", "360_day"),
            ("days since 1970-01-01", "noleap"), ("days", nil), ("days since", nil), ("days since yesterday", nil),
            ("days until 1970-01-01", nil), ("days since 1970-13-01", nil), ("days since 1970-01-01 25:00", nil),
            ("", nil),
        ] as [(String, String?)])
    func refused(_ unit: String, _ calendar: String?) { #expect(CFTime(unit: unit, calendar: calendar) == nil) }

    @Test("moments beyond the years that can be written are none", arguments: [.nan, .infinity, 1e300, -1e9, 1e10])
    func beyond(_ value: Double) throws {
        #expect(try #require(CFTime(unit: "days since 1970-01-01", calendar: nil)).moment(value) == nil)
    }
}
