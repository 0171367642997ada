/// How an operation ended, for its last message.
package struct LDAPResult: Sendable {
    package var code: ResultCode
    package var message: String
    package var matchedDN: String
    package var controls: [Control] = []
    /// Name and value of an extended response.
    package var name: String?
    package var value: [UInt8]?

    package init(_ code: ResultCode = .success, _ message: String = "", matchedDN: String = "") {
        self.code = code
        self.message = message
        self.matchedDN = matchedDN
    }

    package init(_ error: LDAPError) {
        self.init(error.code, error.message, matchedDN: error.matchedDN)
    }
}

extension BERWriter {
    /// Writes the message that ends an operation.
    ///
    /// - Parameter tag: what the operation calls it: ``LDAPRequest/responseTag``.
    package mutating func message(_ id: Int32, _ tag: UInt8, _ result: LDAPResult) {
        constructed {
            $0.integer(Int64(id))
            $0.constructed(tag) {
                $0.integer(Int64(result.code.rawValue), tag: BER.enumerated)
                $0.string(result.matchedDN)
                $0.string(result.message)
                if let name = result.name { $0.string(name, tag: 0x8A) }
                if let value = result.value { $0.octets(value, tag: 0x8B) }
            }
            if !result.controls.isEmpty {
                $0.constructed(0xA0) {
                    for control in result.controls {
                        $0.constructed {
                            $0.string(control.type)
                            if control.isCritical { $0.boolean(true) }
                            if let value = control.value { $0.octets(value) }
                        }
                    }
                }
            }
        }
    }

    /// Writes an entry that a search has found; `attributes` writes them, one by one, with ``attribute(_:_:)``.
    @inline(__always)
    package mutating func entry(_ id: Int32, dn: String, _ attributes: (inout BERWriter) -> Void) {
        constructed {
            $0.integer(Int64(id))
            $0.constructed(0x64) {
                $0.string(dn)
                $0.constructed { attributes(&$0) }
            }
        }
    }

    @inline(__always)
    package mutating func attribute(_ name: String, _ values: (inout BERWriter) -> Void) {
        constructed {
            $0.string(name)
            $0.constructed(BER.set) { values(&$0) }
        }
    }

    /// Tells a client that its connection ends, and why (RFC 4511 §4.4.1).
    package mutating func noticeOfDisconnection(_ error: LDAPError) {
        var result = LDAPResult(error)
        result.name = "1.3.6.1.4.1.1466.20036"
        message(0, 0x78, result)
    }
}
