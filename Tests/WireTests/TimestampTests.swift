import TestSupport
import Testing
import Wire

struct TimestampTests {
    @Test(
        "dates have their seconds and every text form",
        arguments: [
            (0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z"),
            (784_111_777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT", "19941106T084937Z"),
            (951_782_400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT", "20000229T000000Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z", "Thu, 29 Feb 2024 23:59:59 GMT", "20240229T235959Z"),
            (-1, "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT", "19691231T235959Z"),
            (-2_203_891_200, "1900-03-01T00:00:00Z", "Thu, 01 Mar 1900 00:00:00 GMT", "19000301T000000Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT", "00000101T000000Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT", "99991231T235959Z"),
        ] as [(Int64, String, String, String)])
    func table(seconds: Int64, rfc3339: String, http: String, basic: String) {
        let time = Timestamp(seconds: seconds)
        #expect(time.rfc3339 == rfc3339)
        #expect(time.httpDate == http)
        #expect(time.basic == basic)
        #expect(Timestamp(rfc3339: rfc3339) == time)
        #expect(Timestamp(httpDate: http) == time)
        #expect(Timestamp(basic: basic) == time)
        #expect(time.seconds == seconds)
    }

    @Test(
        "RFC 3339 forms",
        arguments: [
            ("2026-11-21T03:56:00.5Z", "2026-11-21T03:56:00.500Z"), ("2026-11-21t03:56:00z", "2026-11-21T03:56:00Z"),
            ("2026-11-21 03:56:00+00:00", "2026-11-21T03:56:00Z"),
            ("2026-11-21T03:56:00+05:30", "2026-11-20T22:26:00Z"),
            ("2026-12-31T23:59:59-01:00", "2027-01-01T00:59:59Z"),
            ("2026-11-21T03:56:00.123456789Z", "2026-11-21T03:56:00.123456Z"),
            ("2026-11-21T03:56:00.000Z", "2026-11-21T03:56:00Z"),
            ("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250Z"),
            ("2400-02-29T00:00:00Z", "2400-02-29T00:00:00Z"), ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2026-11-21T03:56:00-00:00", "2026-11-21T03:56:00Z"),
        ])
    func forms(text: String, expected: String) {
        #expect(Timestamp(rfc3339: text)?.rfc3339 == expected)
    }

    @Test("milliseconds are always three digits where S3 wants them, also before 1970")
    func milliseconds() {
        #expect(Timestamp(seconds: 0).rfc3339Milliseconds == "1970-01-01T00:00:00.000Z")
        #expect(Timestamp(microseconds: 1_999_999).rfc3339Milliseconds == "1970-01-01T00:00:01.999Z")
        #expect(Timestamp(microseconds: -1).rfc3339Milliseconds == "1969-12-31T23:59:59.999Z")
    }

    @Test(
        "what is no RFC 3339 date is refused",
        arguments: [
            "", "2026", "2026-11-21", "2026-11-21T03:56Z", "2026-11-21T03:56:00", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "1500-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T00:60:00Z", "2026-11-21T00:00:61Z", "2026-11-21T00:00:00.Z", "2026-11-21T00:00:00+24:00",
            "2026-11-21T00:00:00+0100", "2026-11-21T00:00:00+01:60", "2026-11-21T00:00:00Zx", " 2026-11-21T00:00:00Z",
            "+026-11-21T00:00:00Z", "2026-11-21T00:00:00,5Z", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
            "٢٠٢٦-11-21T00:00:00Z",
        ])
    func refused(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test(
        "what is no HTTP date is refused",
        arguments: [
            "", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
            "Foo, 06 Nov 1994 08:49:37 GMT", "Sun 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        ])
    func refusedHTTP(text: String) {
        #expect(Timestamp(httpDate: text) == nil)
    }

    @Test(
        "what is no basic date is refused",
        arguments: ["", "20261121T035600", "20261121 035600Z", "20261321T035600Z", "20261121T035600ZZ"])
    func refusedBasic(text: String) {
        #expect(Timestamp(basic: text) == nil)
    }

    @Test("random moments from year 0 to 9999 come back from each form")
    func roundTrip() {
        var random = SeededGenerator(seed: 31)
        for _ in 0..<5000 {
            let time = Timestamp(seconds: Int64.random(in: -62_167_219_200...253_402_300_799, using: &random))
            #expect(Timestamp(rfc3339: time.rfc3339) == time)
            #expect(Timestamp(httpDate: time.httpDate) == time)
            #expect(Timestamp(basic: time.basic) == time)
            let fine = Timestamp(microseconds: time.microseconds + Int64.random(in: 0..<1_000_000, using: &random))
            #expect(Timestamp(rfc3339: fine.rfc3339) == fine)
        }
    }

    @Test("days follow one another through leap years")
    func calendar() {
        var expected = (year: 1896, month: 1, day: 1)
        var time = Timestamp(year: 1896, month: 1, day: 1) ?? Timestamp(seconds: 0)
        for _ in 0..<(366 * 210) {
            let p = time.parts
            guard p.year == expected.year, p.month == expected.month, p.day == expected.day else {
                Issue.record("\(time.rfc3339) should be \(expected)")
                return
            }
            let isLeap = expected.year % 4 == 0 && (expected.year % 100 != 0 || expected.year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            expected.day += 1
            if expected.day > lengths[expected.month - 1] { expected = (expected.year, expected.month + 1, 1) }
            if expected.month > 12 { expected = (expected.year + 1, 1, 1) }
            time = time.adding(seconds: 86400)
        }
    }

    @Test("moments beyond the calendar are written as its ends and never crash")
    func extremes() {
        #expect(Timestamp(microseconds: .min).rfc3339.hasPrefix("0000-01-01T00:00:00"))
        #expect(Timestamp(microseconds: .max).httpDate == "Fri, 31 Dec 9999 23:59:59 GMT")
        #expect(Timestamp(microseconds: .max).adding(seconds: .max).microseconds == .max)
        #expect(Timestamp(microseconds: .min).adding(seconds: .min).microseconds == .min)
        #expect(Timestamp(microseconds: .min).seconds < 0)
    }
}
