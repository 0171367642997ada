import Console
import Geometry
import Testing
import Wire

@Suite("Figures in words")
struct WordsTests {
    @Test(
        "counts are grouped",
        arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1204, "-1,204")])
    func counts(number: Int64, words: String) {
        #expect(Words.count(number) == words)
    }

    @Test("one is singular")
    func singular() {
        #expect(Words.count(1, "item", "items") == "1 item")
        #expect(Words.count(0, "item", "items") == "0 items")
        #expect(Words.count(2048, "item", "items") == "2,048 items")
    }

    @Test(
        "sizes have the unit that fits",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1550, "1.6 kB"), (123_456, "123 kB"), (999_949, "1 MB"),
            (999_999, "1 MB"),
            (1_340_000_000, "1.3 GB"), (Int64.max, "9,223 PB"),
        ])
    func sizes(bytes: Int64, words: String) {
        #expect(Words.size(bytes) == words)
    }

    @Test(
        "decimals are rounded and have no zeros at their end",
        arguments: [
            (1.0, 2, "1"), (1.005, 1, "1"), (0.05, 1, "0.1"), (-0.04, 1, "0"), (-58.25, 2, "-58.25"),
            (12.3000, 4, "12.3"),
            (1234.5, 1, "1,234.5"), (99.96, 1, "100"), (0.0101, 3, "0.01"),
        ])
    func decimals(value: Double, digits: Int, words: String) {
        #expect(Words.decimal(value, digits: digits) == words)
    }

    @Test(
        "numbers that are none, and huge ones, do no harm",
        arguments: [Double.nan, .infinity, -.infinity, 1e300, -1e18])
    func huge(value: Double) {
        #expect(!Words.decimal(value, digits: 4).isEmpty)
    }

    @Test("times are in UTC, days without a time")
    func times() throws {
        let time = try #require(Timestamp(rfc3339: "2021-09-08T04:07:01.5Z"))
        #expect(Words.time(time) == "8 Sep 2021, 04:07 UTC")
        #expect(Words.days(time...time.adding(seconds: 60)) == "8 Sep 2021")
        #expect(Words.days(time...time.adding(seconds: 86_400)) == "8 Sep 2021 to 9 Sep 2021")
    }

    @Test("places name their hemispheres")
    func places() throws {
        #expect(
            Words.place(try BoundingBox(west: -58.2, south: -10.06, east: -56.9, north: 8))
                == "58.2°W to 56.9°W, 10.1°S to 8°N")
        #expect(Words.place(try BoundingBox(west: 179, south: 0, east: -179, north: 1)) == "179°E to 179°W, 0° to 1°N")
        #expect(Words.place(try BoundingBox(west: -180, south: -90, east: 180, north: 90)) == "the whole Earth")
        #expect(Words.place(try BoundingBox(west: 10, south: 45, east: 10, north: 45)) == "10°E, 45°N")
    }
}
