import Console
import Testing

@Suite("QR codes")
struct QRCodeTests {
    @Test(
        "a text takes the smallest code that holds it",
        arguments: [(1, 21), (14, 21), (15, 25), (106, 41), (107, 45), (213, 57)])
    func sizes(length: Int, size: Int) throws {
        let code = try #require(QRCode(String(repeating: "a", count: length)))
        #expect(code.size == size)
        // The corners by which a camera finds it.
        for (x, y) in [(0, 0), (size - 1, 0), (0, size - 1), (3, 3), (size - 4, 3)] {
            let isDark = code.isDark(x, y)
            #expect(isDark)
        }
        for (x, y) in [(1, 1), (7, 7), (size - 8, 0)] {
            let isDark = code.isDark(x, y)
            #expect(!isDark)
        }
        let (always, path) = (code.isDark(8, size - 8), code.path)
        #expect(always && path.hasPrefix("M0 0h7v1h-7z"))
    }

    @Test("a text that is too long has none")
    func tooLong() { #expect(QRCode(String(repeating: "a", count: 214)) == nil) }
}
