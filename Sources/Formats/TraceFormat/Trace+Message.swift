import Wire

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

/// A JSON string as Go's encoding/json spells it, which all signers of traces use: safe inside HTML and JavaScript. By
/// runs of bytes, since a message has a hundred long paths, and each trace that is handed in is compared with its own.
private func appendGoString(_ text: String, to out: inout [UInt8]) {
    var text = text
    out.append(UInt8(ascii: "\""))
    text.withUTF8 { utf8 in
        var begin = 0
        var index = 0
        while index < utf8.count {
            let length = lengthOfEscaped(utf8, at: index)
            if length > 0 {
                out.append(contentsOf: utf8[begin..<index])
                appendEscaped(utf8[index + length - 1], to: &out)
                begin = index + length
            }
            index += max(1, length)
        }
        out.append(contentsOf: utf8[begin...])
    }
    out.append(UInt8(ascii: "\""))
}

/// How many bytes make the character here that is not written as it is: 0 if it is, 3 for U+2028 and U+2029.
private func lengthOfEscaped(_ utf8: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    switch utf8[index] {
    case 0x00..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): 1
    case 0xE2 where index + 2 < utf8.count && utf8[index + 1] == 0x80 && utf8[index + 2] & 0xFE == 0xA8: 3
    default: 0
    }
}

private func appendEscaped(_ last: UInt8, to out: inout [UInt8]) {
    switch last {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), last]
    case 0x0A: out += #"\n"#.utf8
    case 0x0D: out += #"\r"#.utf8
    case 0x09: out += #"\t"#.utf8
    case 0x08: out += #"\b"#.utf8
    case 0x0C: out += #"\f"#.utf8
    case 0xA8, 0xA9: out += (last == 0xA8 ? #"\u2028"# : #"\u2029"#).utf8
    default:
        out += #"\u00"#.utf8
        withUnsafeBytes(of: last) { Hex.append($0, to: &out) }
    }
}
