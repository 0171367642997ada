extension Trace.Product {
    /// The bytes to sign: compact JSON with the product's members in alphabetical order and the event after them. An
    /// array that is nil is left out, an empty one is not. The hash algorithm, the obsolescence, the time and the
    /// origin are not part of it; what is said of the service is where its signer wants that.
    ///
    /// A verifier never rebuilds it: other signers order the contents as they like, so it takes `Signature.message` as
    /// given.
    package func message(event: TraceEvent, service: Trace.Service? = nil) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(160 + name.utf8.count + 200 * (contents?.count ?? 0) + 160 * (inputs?.count ?? 0))
        out.append(UInt8(ascii: "{"))
        if let contents {
            out += #""contents":["#.utf8
            for (index, content) in contents.enumerated() {
                out += (index == 0 ? #"{"hash":"# : #",{"hash":"#).utf8
                appendGoString(content.hash, to: &out)
                out += #","path":"#.utf8
                appendGoString(content.path, to: &out)
                out.append(UInt8(ascii: "}"))
            }
            out += "],".utf8
        }
        out += #""hash":"#.utf8
        appendGoString(hash, to: &out)
        if let inputs {
            out += #","inputs":["#.utf8
            for (index, input) in inputs.enumerated() {
                out += (index == 0 ? #"{"hash":"# : #",{"hash":"#).utf8
                appendGoString(input.hash, to: &out)
                out += #","name":"#.utf8
                appendGoString(input.name, to: &out)
                out.append(UInt8(ascii: "}"))
            }
            out.append(UInt8(ascii: "]"))
        }
        out += #","name":"#.utf8
        appendGoString(name, to: &out)
        out += #","size":\#(size)"#.utf8
        if let service { out += #","service":"#.utf8 + service.document }
        out += #","event":"\#(event.rawValue)"}"#.utf8
        return out
    }
}

private let hexDigits = Array("0123456789abcdef".utf8)

/// A JSON string as Go's encoding/json spells it, which all signers of traces use: safe inside HTML and JavaScript.
private func appendGoString(_ text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\":
            out.append(UInt8(ascii: "\\"))
            out.append(UInt8(truncatingIfNeeded: scalar.value))
        case "\n": out += #"\n"#.utf8
        case "\r": out += #"\r"#.utf8
        case "\t": out += #"\t"#.utf8
        case "\u{8}": out += #"\b"#.utf8
        case "\u{C}": out += #"\f"#.utf8
        case "\u{0}"..<" ", "<", ">", "&":
            out += #"\u00"#.utf8
            out.append(hexDigits[Int(scalar.value >> 4)])
            out.append(hexDigits[Int(scalar.value & 15)])
        case "\u{2028}": out += #"\u2028"#.utf8
        case "\u{2029}": out += #"\u2029"#.utf8
        default: out += UTF8.encode(scalar).map { Array($0) } ?? []
        }
    }
    out.append(UInt8(ascii: "\""))
}
