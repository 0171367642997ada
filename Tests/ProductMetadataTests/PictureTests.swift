import ProductMetadata
import TestSupport
import Testing
import Wire

@Suite struct PictureTests {
    private func value(_ text: String, _ names: [String: Float] = [:]) throws -> Float {
        let expression = try BandExpression(text)
        return try #require(expression.evaluate(expression.names.map { [names[$0] ?? .nan] }, count: 1).first)
    }

    @Test(
        "expressions mean what they mean in Python",
        arguments: [
            ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("2 ** 3 ** 2", 512), ("-2 ** 2", -4), ("2 ** -1", 0.5),
            ("7 - 2 - 1", 4), ("8 / 4 / 2", 1), ("-3 + 5", 2), ("2 * -3", -6), ("7 % 4", 3), ("1.5e2", 150),
            ("1e-1 * 10", 1), ("1 < 2", 1), ("(1 > 2) | (2 >= 2)", 1), ("(1 == 1) & (1 != 1)", 0), ("3 & 0", 0),
            ("where(a > b, a, b)", 5), ("minimum(a, b) + maximum(a, b)", 8), ("sqrt(abs(-16))", 4),
            ("(b - a) / (b + a)", -0.25), ("log10(100)", 2), ("floor(2.7) + ceil(2.2)", 5),
        ] as [(String, Float)])
    func arithmetic(text: String, expected: Float) throws {
        #expect(abs(try value(text, ["a": 5, "b": 3]) - expected) < 1e-5)
    }

    @Test("names are told in their order, each once")
    func names() throws {
        #expect(try BandExpression("(B08_b1 - b2) / (B08_b1 + red)").names == ["B08_b1", "b2", "red"])
        #expect(try BandExpression(" B04 ").isBand)
        #expect(try !BandExpression("B04 * 1").isBand)
        // A function's name without a bracket is a band's.
        #expect(try BandExpression("log + 1").names == ["log"])
    }

    @Test(
        "what is no expression is told where",
        arguments: ["", "a +", "(a", "a b", "a ++", "where(a, b)", "sqrt()", "1..2", "a $ b", "é", "1e999"])
    func wrong(text: String) {
        #expect(throws: BandExpression.Failure.self) { try BandExpression(text) }
    }

    @Test("neither depth nor length nor chance brings the reader down")
    func hostile() throws {
        for text in [
            String(repeating: "(", count: 1000), String(repeating: "-", count: 1000),
            String(repeating: "a+", count: 511) + "a", String(repeating: "2**", count: 300) + "2",
            String(repeating: "x", count: 100_000),
        ] { #expect(throws: BandExpression.Failure.self) { try BandExpression(text) } }
        var generator = SeededGenerator(seed: 7)
        let parts = ["(", ")", "+", "-", "*", "**", "a", "b1", "1", ".5", ",", "where(", "sqrt(", " ", "<", "=="]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<12, using: &generator)
            let text = (0..<count).compactMap { _ in parts.randomElement(using: &generator) }.joined()
            guard let expression = try? BandExpression(text) else { continue }
            #expect(expression.evaluate(expression.names.map { _ in [1, .nan, 0] }, count: 3).count == 3)
        }
    }

    @Test("ramps go from their first to their last colour, and the other way about")
    func ramps() throws {
        let map = try #require(ColorMap(named: "gray"))
        #expect(map.color(of: 0, share: 0).red == 0 && map.color(of: 0, share: 1).red == 255)
        #expect(map.color(of: 0, share: 0.5).green == 128 && map.color(of: 0, share: .nan).alpha == 255)
        #expect(try #require(ColorMap(named: "gray_r")).color(of: 0, share: 0).red == 255)
        #expect(map.color(of: 0, share: -5).red == 0 && map.color(of: 0, share: 99).red == 255)
        for name in ColorMap.names { #expect(ColorMap(named: name)?.color(of: 0, share: 0.3).alpha == 255) }
        #expect(ColorMap(named: "rainbows") == nil && ColorMap(named: "_r") == nil)
    }

    @Test("colours of values are read, and what is none is refused")
    func values() throws {
        let map = try #require(ColorMap(parsing: JSONValue(parsing: ##"{"1": "#010203", "-2": [4, 5, 6, 7]}"##)))
        #expect(map.color(of: 1.2, share: 0) == .init(red: 1, green: 2, blue: 3))
        #expect(map.color(of: -2, share: 0) == .init(red: 4, green: 5, blue: 6, alpha: 7))
        #expect(map.color(of: 3, share: 0).alpha == 0 && map.color(of: .infinity, share: 0).alpha == 0)
        for text in ["{}", "[]", ##"{"a": "#000000"}"##, #"{"1": "red"}"#, #"{"1": [1, 2]}"#, #"{"1": [1, 2, 256]}"#] {
            #expect(ColorMap(parsing: try JSONValue(parsing: text)) == nil, "\(text)")
        }
    }

    @Test("a request is read as it was written, also behind the head of a start")
    func request() throws {
        var request = PictureRequest(
            crs: "EPSG:3857", bounds: [-1, 2.5, 3, 4], width: 256, height: 512,
            sources: [[.init(name: "B04", file: 0, nodata: 0), .init(name: "B08", file: 1)], []])
        request.expressions = ["B04 + B08"]
        request.rescale = [[0, 0.5]]
        request.colorMap = ColorMap(named: "viridis")
        request.format = .jpeg
        request.resampling = .nearest
        #expect(PictureRequest(parsing: request.bytes) == request)
        let start = RasterProtocol.Start(files: [.init(name: "a0.tif", size: 9)], task: .picture(request))
        let bytes = try #require(start.bytes)
        let head = Array(bytes.prefix(RasterProtocol.Start.headCount))
        #expect(RasterProtocol.Start(head: head, body: Array(bytes.dropFirst(head.count))) == start)
        for count in 0..<bytes.count - head.count {
            #expect(RasterProtocol.Start(head: head, body: Array(bytes.dropFirst(head.count).prefix(count))) == nil)
        }
        #expect(PictureRequest(parsing: Array("{}".utf8)) == nil && PictureRequest(parsing: []) == nil)
    }
}
