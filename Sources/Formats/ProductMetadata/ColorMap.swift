package import Wire

/// What colour a value gets: a ramp between colours, or a colour for each of some values.
package struct ColorMap: Sendable, Hashable {
    package struct Color: Sendable, Hashable {
        package var red: UInt8
        package var green: UInt8
        package var blue: UInt8
        package var alpha: UInt8

        package init(red: UInt8, green: UInt8, blue: UInt8, alpha: UInt8 = 255) {
            (self.red, self.green, self.blue, self.alpha) = (red, green, blue, alpha)
        }
    }

    /// Colours at equal steps from the lowest to the highest value.
    private var ramp: [Color] = []
    /// Colours of values; all others are transparent.
    private var values: [Int: Color] = [:]

    private static let valuesMax = 1024

    /// A known ramp; with `_r` at its end from its last colour to its first.
    package init?(named name: String) {
        let isReversed = name.hasSuffix("_r")
        guard let colours = Self.ramps[isReversed ? String(name.dropLast(2)) : name] else { return nil }
        let steps = colours.split(separator: " ").compactMap { Self.color("#" + $0) }
        ramp = isReversed ? steps.reversed() : steps
    }

    /// `{"1": "#ff0000", "2": [0, 255, 0, 128]}`: colours of whole numbers.
    package init?(parsing json: JSONValue) {
        guard let members = json.object?.members, !members.isEmpty, members.count <= Self.valuesMax else { return nil }
        for member in members {
            guard let value = Int(member.name), let color = Self.color(member.value) else { return nil }
            values[value] = color
        }
    }

    /// Ramps by their names, as matplotlib and rio-tiler have them.
    package static var names: [String] { ramps.keys.sorted() }

    private static let ramps: [String: String] = [
        "gray": "000000 ffffff",
        "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
        "magma": "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
        "inferno": "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
        "plasma": "0d0887 46039f 7201a8 9c179e bd3786 d8576b ed7953 fb9f3a fdca26 f0f921",
        "rdylgn": "a50026 d73027 f46d43 fdae61 fee08b ffffbf d9ef8b a6d96a 66bd63 1a9850 006837",
        "rdbu": "67001f b2182b d6604d f4a582 fddbc7 f7f7f7 d1e5f0 92c5de 4393c3 2166ac 053061",
        "blues": "f7fbff deebf7 c6dbef 9ecae1 6baed6 4292c6 2171b5 08519c 08306b",
        "greens": "f7fcf5 e5f5e0 c7e9c0 a1d99b 74c476 41ab5d 238b45 006d2c 00441b",
        "reds": "fff5f0 fee0d2 fcbba1 fc9272 fb6a4a ef3b2c cb181d a50f15 67000d",
        "ylgnbu": "ffffd9 edf8b1 c7e9b4 7fcdbb 41b6c4 1d91c0 225ea8 253494 081d58",
    ]

    /// The colour of a value.
    ///
    /// - Parameters:
    ///   - value: as it is.
    ///   - share: where it lies between the lowest and the highest value, 0 to 1.
    package func color(of value: Float, share: Float) -> Color {
        if ramp.isEmpty {
            let rounded = value.rounded()
            guard abs(rounded) < 1e9, let color = values[Int(rounded)] else {
                return Color(red: 0, green: 0, blue: 0, alpha: 0)
            }
            return color
        }
        let place = (share.isNaN ? 0 : min(max(share, 0), 1)) * Float(ramp.count - 1)
        let index = min(Int(place), ramp.count - 2)
        let part = place - Float(index)
        func mix(_ a: UInt8, _ b: UInt8) -> UInt8 { UInt8((Float(a) + (Float(b) - Float(a)) * part).rounded()) }
        let (low, high) = (ramp[index], ramp[index + 1])
        return Color(red: mix(low.red, high.red), green: mix(low.green, high.green), blue: mix(low.blue, high.blue))
    }

    // MARK: JSON

    /// What ``init(stored:)`` reads.
    package func write(to json: inout JSONWriter) {
        func write(_ color: Color, _ json: inout JSONWriter) {
            json.array { for part in [color.red, color.green, color.blue, color.alpha] { $0.integer(part) } }
        }
        json.object { json in
            json.key("ramp")
            json.array { json in for color in ramp { write(color, &json) } }
            json.key("values")
            json.object { json in
                for (value, color) in values.sorted(by: { $0.key < $1.key }) {
                    json.key(String(value))
                    write(color, &json)
                }
            }
        }
    }

    package init?(stored json: JSONValue) {
        ramp = (json["ramp"]?.array ?? []).compactMap { Self.color($0) }
        for member in json["values"]?.object?.members ?? [] {
            guard let value = Int(member.name), let color = Self.color(member.value) else { return nil }
            values[value] = color
        }
        guard ramp.count >= 2 || ramp.isEmpty && !values.isEmpty, values.count <= Self.valuesMax else { return nil }
    }

    private static func color(_ json: JSONValue) -> Color? {
        if let text = json.string { return color(text) }
        let parts = (json.array ?? []).compactMap { $0.integer.flatMap { UInt8(exactly: $0) } }
        guard parts.count == json.array?.count, parts.count == 3 || parts.count == 4 else { return nil }
        return Color(red: parts[0], green: parts[1], blue: parts[2], alpha: parts.count == 4 ? parts[3] : 255)
    }

    private static func color(_ text: some StringProtocol) -> Color? {
        guard text.hasPrefix("#"), let bytes = Hex.decode(String(text.dropFirst())),
            bytes.count == 3 || bytes.count == 4
        else { return nil }
        return Color(red: bytes[0], green: bytes[1], blue: bytes[2], alpha: bytes.count == 4 ? bytes[3] : 255)
    }
}
