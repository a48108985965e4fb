// Package project holds no code: its tests check what the repository promises about itself, such as which package may import
// which.
package project
