import SigV4
import Testing
import Wire

/// The key pair and day of AWS's published examples.
enum Example {
    static let credentials = Credentials(
        accessKeyID: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    static func time(_ basic: String) throws -> Timestamp { try #require(Timestamp(basic: basic)) }

    static func query(_ text: String) throws -> QueryItems { try #require(QueryItems(parsing: text)) }

    static func key(_ claim: Authorization) -> SigningKey {
        SigningKey(secret: credentials.secret, scope: claim.scope)
    }
}

/// A generator that gives the same numbers in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// The code of the error that `body` throws; nil if it throws none.
func code(_ body: () throws -> Void) -> SignatureError.Code? {
    do {
        try body()
        return nil
    } catch let error as SignatureError {
        return error.code
    } catch {
        Issue.record("an error of another type: \(error)")
        return nil
    }
}
