/// What a client asks for (RFC 4511 §4), with exactly the parameters of each operation.
package enum LDAPRequest: Sendable, Equatable {
    case bind(Bind)
    case unbind
    case search(Search)
    case compare(Compare)
    /// The message id of what is not waited for any more.
    case abandon(Int32)
    case extended(Extended)
    /// Something that changes entries.
    case update(Update)

    package struct Bind: Sendable, Equatable {
        package enum Method: Sendable, Equatable {
            case simple([UInt8])
            case sasl(mechanism: String, credentials: [UInt8]?)
        }

        package var version: Int64
        package var name: String
        package var method: Method
    }

    package enum Scope: Int64, Sendable {
        case base, one, subtree
        /// All below, without the entry itself (draft-sermersheim-ldap-subordinate-scope).
        case subordinates
    }

    package struct Search: Sendable, Equatable {
        package var base: String
        package var scope: Scope
        /// 0 for none.
        package var sizeLimit: Int64
        /// Seconds; 0 for none.
        package var timeLimit: Int64
        package var typesOnly: Bool
        package var filter: Filter
        package var attributes: [String]
    }

    package struct Compare: Sendable, Equatable {
        package var entry: String
        package var attribute: String
        package var value: [UInt8]
    }

    package struct Extended: Sendable, Equatable {
        package var name: String
        package var value: [UInt8]?
    }

    package enum Update: Sendable, Equatable {
        case modify, add, delete, rename
    }

    /// The tag of the message that ends it; nil where nothing does.
    package var responseTag: UInt8? {
        switch self {
        case .bind: 0x61
        case .search: 0x65
        case .compare: 0x6F
        case .extended: 0x78
        case .update(.modify): 0x67
        case .update(.add): 0x69
        case .update(.delete): 0x6B
        case .update(.rename): 0x6D
        case .unbind, .abandon: nil
        }
    }
}

/// Something that goes with a message (RFC 4511 §4.1.11).
package struct Control: Sendable, Equatable {
    package var type: String
    package var isCritical: Bool
    package var value: [UInt8]?

    package init(type: String, isCritical: Bool = false, value: [UInt8]? = nil) {
        self.type = type
        self.isCritical = isCritical
        self.value = value
    }
}

/// One message of a client.
package struct LDAPMessage: Sendable, Equatable {
    /// Attributes that a search may ask for, and controls that a message may have.
    private static let attributesMax = 500
    private static let controlsMax = 32

    package var id: Int32
    package var request: LDAPRequest
    package var controls: [Control]

    /// What is known of a message that could not be read, so that it can be answered.
    package struct Unreadable: Error, Sendable {
        package var id: Int32
        package var responseTag: UInt8
        package var error: LDAPError
    }

    /// Reads a whole message.
    ///
    /// - Throws: ``Unreadable`` where the operation is malformed but can be answered; ``LDAPError`` where not even
    ///   that.
    package init(_ bytes: ArraySlice<UInt8>) throws {
        var outer = BERReader(bytes)
        var reader = try outer.reader()
        guard outer.isAtEnd else { throw LDAPError.malformed("something follows a message") }
        let number = try reader.integer()
        guard let id = Int32(exactly: number), id >= 0 else { throw LDAPError.malformed("no number of a message") }
        let (tag, content) = try reader.element()
        guard let responseTag = Self.responseTags[tag] else {
            throw LDAPError.malformed("no operation has the tag \(tag)")
        }
        do {
            request = try Self.request(tag, content)
            controls = try Self.controls(&reader)
            guard reader.isAtEnd else { throw LDAPError.malformed("something follows the controls") }
        } catch let error as LDAPError {
            guard let responseTag else { throw error }
            throw Unreadable(id: id, responseTag: responseTag, error: error)
        }
        self.id = id
    }

    private static let responseTags: [UInt8: UInt8?] = [
        0x60: 0x61, 0x42: nil, 0x63: 0x65, 0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F, 0x50: nil,
        0x77: 0x78,
    ]

    private static func request(_ tag: UInt8, _ content: ArraySlice<UInt8>) throws(LDAPError) -> LDAPRequest {
        var reader = BERReader(content)
        switch tag {
        case 0x60: return .bind(try bind(&reader))
        case 0x42: return .unbind
        case 0x63: return .search(try search(&reader))
        case 0x66: return .update(.modify)
        case 0x68: return .update(.add)
        case 0x4A: return .update(.delete)
        case 0x6C: return .update(.rename)
        case 0x6E:
            let entry = try reader.string()
            var assertion = try reader.reader()
            return .compare(
                LDAPRequest.Compare(entry: entry, attribute: try assertion.string(), value: try assertion.octets()))
        case 0x50: return .abandon(Int32(truncatingIfNeeded: try BERReader.integer(content)))
        default:
            let name = try reader.string(0x80)
            return .extended(LDAPRequest.Extended(name: name, value: try reader.contentIfNext(0x81).map { Array($0) }))
        }
    }

    private static func bind(_ reader: inout BERReader) throws(LDAPError) -> LDAPRequest.Bind {
        let (version, name) = (try reader.integer(), try reader.string())
        let (tag, content) = try reader.element()
        switch tag {
        case 0x80: return LDAPRequest.Bind(version: version, name: name, method: .simple(Array(content)))
        case 0xA3:
            var credentials = BERReader(content)
            return LDAPRequest.Bind(
                version: version, name: name,
                method: .sasl(
                    mechanism: try credentials.string(),
                    credentials: credentials.isAtEnd ? nil : try credentials.octets()))
        default: throw LDAPError(.authMethodNotSupported, "there are simple binds and SASL, no others")
        }
    }

    private static func search(_ reader: inout BERReader) throws(LDAPError) -> LDAPRequest.Search {
        let base = try reader.string()
        guard let scope = LDAPRequest.Scope(rawValue: try reader.integer(BER.enumerated)) else {
            throw .malformed("a scope is base, one level, subtree or subordinates")
        }
        // Aliases, which this directory has none of.
        _ = try reader.integer(BER.enumerated)
        let (sizeLimit, timeLimit) = (try reader.integer(), try reader.integer())
        let typesOnly = try reader.boolean()
        let filter = try Filter(&reader)
        var list = try reader.reader()
        var attributes: [String] = []
        while !list.isAtEnd {
            guard attributes.count < attributesMax else {
                throw LDAPError(.adminLimitExceeded, "a search asks for \(attributesMax) attributes at most")
            }
            attributes.append(try list.string())
        }
        guard sizeLimit >= 0, timeLimit >= 0 else { throw .malformed("a limit is not below 0") }
        return LDAPRequest.Search(
            base: base, scope: scope, sizeLimit: sizeLimit, timeLimit: timeLimit, typesOnly: typesOnly, filter: filter,
            attributes: attributes)
    }

    private static func controls(_ reader: inout BERReader) throws(LDAPError) -> [Control] {
        guard let content = try reader.contentIfNext(0xA0) else { return [] }
        var list = BERReader(content)
        var out: [Control] = []
        while !list.isAtEnd {
            guard out.count < controlsMax else {
                throw LDAPError(.adminLimitExceeded, "a message has \(controlsMax) controls at most")
            }
            var inner = try list.reader()
            let type = try inner.string()
            let isCritical = inner.nextTag == BER.boolean ? try inner.boolean() : false
            out.append(
                Control(type: type, isCritical: isCritical, value: inner.isAtEnd ? nil : try inner.octets()))
        }
        return out
    }
}
