package gzipcat

import "hash/crc32"

// crc32Combine returns the CRC-32 of two concatenated texts, computed from the CRC-32 of each and the length of the
// second. It is the algorithm of zlib's crc32_combine.
//
// A CRC-32 is the remainder of a polynomial over GF(2). Appending n bytes multiplies the polynomial, and therefore its
// remainder, by x^(8n); the remainder of the second text is then added. The most significant bit is the coefficient of
// x^0.
func crc32Combine(first, second uint32, length int64) uint32 {
	shift := uint32(1) << 31 // x^0
	for bit := 3; length > 0; bit, length = bit+1, length>>1 {
		if length&1 != 0 {
			shift = multiply(powers[bit%len(powers)], shift)
		}
	}
	return multiply(shift, first) ^ second
}

// powers[i] is x^(2^i). The powers repeat after 32, because x^(2^32) is x.
var powers = func() (table [32]uint32) {
	table[0] = 1 << 30 // x^1
	for i := 1; i < len(table); i++ {
		table[i] = multiply(table[i-1], table[i-1])
	}
	return table
}()

// multiply returns the product of two polynomials modulo the polynomial of CRC-32.
func multiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		if b >>= 1; carry != 0 {
			b ^= crc32.IEEE
		}
	}
	return product
}
